"""What does an occluder cost each emotion, and does the map stay where it was?"""
