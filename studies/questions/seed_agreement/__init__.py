"""Do two trainings of one network explain the same face alike?"""
