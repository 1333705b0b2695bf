"""What is told of a run beside its output: a report, a summary, marks in the code."""
