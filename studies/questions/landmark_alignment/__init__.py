"""Do the maps of an emotion lie where that emotion is shown?"""
