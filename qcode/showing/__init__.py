"""Showing a small model the files that a task is about, with the task.

A model of a few billion parameters that has to look for files first seldom finds them, and
each step of looking is a request. What it is shown is chosen without any model: files that the
task names, then those that the map ranks highest (`qcode.repomap`), in a budget of tokens.
"""
