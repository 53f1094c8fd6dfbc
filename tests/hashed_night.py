"""`make nightly` with a stand-in for the model of the embedder (tests/hashed_words.py), which takes seconds to load."""

from __future__ import annotations

import sys

from hashed_words import HashedWordsResource

from pipelines import build, nightly

if __name__ == "__main__":
    vars(build)["EmbedderResource"] = HashedWordsResource
    sys.exit(nightly.main(sys.argv[1:]))
