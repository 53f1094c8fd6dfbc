"""Was it up, fast, within its promises?"""
