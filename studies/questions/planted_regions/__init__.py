"""Which attributions find the region that a network is known to read?"""
