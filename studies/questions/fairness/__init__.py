"""Are faces of some groups recognised, or explained, worse than those of others?"""
