"""Pictures of a convolutional network at work, drawn with matplotlib (the extra `plot`).

Each is a function of `tinygrad_cnn.viz`. None touches pyplot, or leaves a trace in the model.
"""
