"""Training: seeds, devices, augmentation and the epoch loop."""
