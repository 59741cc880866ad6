"""Alignment: does a map lie where an emotion is shown, by the book or by landmarks?"""
