"""The commands: each module here is one, named like it and described by its first line.

A module imports what it needs inside `run`, so that asking for help stays quick.
"""
