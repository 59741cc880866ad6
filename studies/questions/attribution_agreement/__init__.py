"""Which attributions agree with each other, with exact region Shapley, and with themselves?"""
