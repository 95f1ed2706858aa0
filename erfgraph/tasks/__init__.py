"""What receptive fields say to designers of classifiers, detectors and segmenters."""
