"""Do explanations hold as long as recognition does, when images get worse or faces turn?"""
