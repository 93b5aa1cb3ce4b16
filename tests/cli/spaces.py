"""A search space that trains in no time."""

SPACE = 'family = "cnn"\n[network]\ndepth = [2, 3]\nwidth = 4\nhead_width = 8\n[training]\nbatch_size = 8\n'
