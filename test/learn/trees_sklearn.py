# Records what scikit-learn's trees score on rows that they did not see, of the data sets in data/:
# python3 test/learn/trees_sklearn.py, with scikit-learn 1.2 (Debian's python3-sklearn). The tests compare with the
# file; they never call Python.
import gzip
import json
import os

import numpy as np
import sklearn
from sklearn import ensemble

here = os.path.dirname(os.path.abspath(__file__))
cases = []
for data in ["breast-cancer", "diabetes", "digits", "iris", "wine"]:
    with gzip.open(os.path.join(here, "..", "..", "data", data + ".csv.gz"), "rt") as file:
        values = np.array([[float(field) for field in line.split(",")] for line in file.read().strip().split("\n")[1:]])
    x, y = values[:, :-1], values[:, -1]
    # a fourth of the rows, from all of the file
    unseen = np.arange(len(x)) % 4 == 1
    task = "Regressor" if data == "diabetes" else "Classifier"
    boosting = getattr(ensemble, "HistGradientBoosting" + task)
    for options, theirs in [({}, {}), ({"maxIter": 30, "maxLeafNodes": 8, "learningRate": 0.2}, {"max_iter": 30, "max_leaf_nodes": 8, "learning_rate": 0.2})]:
        model = boosting(**theirs).fit(x[~unseen], y[~unseen])
        cases.append({"data": data, "kind": "histGradientBoosting" + task, "options": options, "score": float(model.score(x[unseen], y[unseen]))})
    forest = getattr(ensemble, "RandomForest" + task)
    scores = [forest(random_state=seed).fit(x[~unseen], y[~unseen]).score(x[unseen], y[unseen]) for seed in range(10)]
    cases.append({"data": data, "kind": "randomForest" + task, "options": {"seed": 1}, "score": float(np.mean(scores)), "spread": float(np.max(scores) - np.min(scores))})

with open(os.path.join(here, "trees_sklearn.json"), "w") as file:
    json.dump({"scikit-learn": sklearn.__version__, "cases": cases}, file, indent=2)
    file.write("\n")
