"""`make doctor`: whether this installation is fit for a night. Standard library only, where packages may be missing."""
