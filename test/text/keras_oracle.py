# Runs keras_preprocessing on the cases of the standard input (JSON) and writes what it gives: the oracle of
# test/text/keras.test.ts.
import json
import sys

import numpy as np
from keras_preprocessing.sequence import pad_sequences
from keras_preprocessing.text import Tokenizer, hashing_trick, text_to_word_sequence, tokenizer_from_json

MODES = ["binary", "count", "freq", "tfidf"]


def run(case):
    tokenizer = Tokenizer(**case["options"])
    for texts in case["fits"]:
        tokenizer.fit_on_texts(texts)
    sequences = tokenizer.texts_to_sequences(case["texts"])
    matrices = {mode: tokenizer.sequences_to_matrix(sequences, mode).tolist() for mode in MODES if tokenizer.word_index}
    # one that JavaScript wrote: it must go on in the same way
    theirs = tokenizer_from_json(json.dumps(case["json"]))
    result = {
        "counts": list(tokenizer.word_counts.items()),
        "docs": dict(tokenizer.word_docs),
        "index": list(tokenizer.word_index.items()),
        "sequences": sequences,
        "back": tokenizer.sequences_to_texts(case["sequences"]),
        "matrices": matrices,
        "json": json.loads(tokenizer.to_json()),
        "theirs": theirs.texts_to_sequences(case["texts"]),
        "padded": pad_sequences(sequences, **case["pad"]).tolist(),
    }
    tokenizer.fit_on_sequences(case["sequences"])
    result["indexDocs"] = list(tokenizer.index_docs.items())
    if not case["options"]["char_level"]:
        options = {name: case["options"][name] for name in ("filters", "lower", "split")}
        result["words"] = [text_to_word_sequence(text, **options) for text in case["plain"]]
        result["hashed"] = [hashing_trick(text, 97, "md5", **options) for text in case["plain"]]
    return result


json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout)
