"""The demo: two hospitals send real records, and every one of them is accounted for, or the demo fails."""
