"""Comments in the code that say `qcode`, taken up when their file is saved."""
