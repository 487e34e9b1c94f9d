WORD = "good day"
