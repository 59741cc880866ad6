"""What does each part of GiMeFive do for accuracy, and for consistent explanations?"""
