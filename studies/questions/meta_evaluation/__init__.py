"""Which metrics of explanations can be trusted?"""
