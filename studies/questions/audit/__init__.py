"""Can the explanations of a model of yours be trusted?"""
