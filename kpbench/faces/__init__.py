"""Faces: what a set of labelled faces is, where it comes from, how it is split."""
