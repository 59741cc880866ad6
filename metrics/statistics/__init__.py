"""Statistics: intervals, tests, effect sizes and reliability of scores over faces."""
