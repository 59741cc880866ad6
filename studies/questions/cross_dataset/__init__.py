"""Does a model recognise emotions on data sets that it was not trained on?"""
