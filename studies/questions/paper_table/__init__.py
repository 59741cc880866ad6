"""How accurate are GiMeFive and its baselines, counted honestly and as the paper counts?"""
