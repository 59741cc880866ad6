"""Are Grad-CAM maps consistent across faces of one emotion?"""
