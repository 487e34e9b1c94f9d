"""Two hospitals send real records; afterwards every one of them is accounted for, or the demo fails."""
