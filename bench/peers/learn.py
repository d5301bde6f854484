# scikit-learn's side of learn.mjs: the same models on the same rows of Fashion-MNIST, answered as JSON lines.
import gzip
import warnings

import numpy
import sklearn
from side import answer, timed
from sklearn import cluster, decomposition, ensemble, linear_model, svm

warnings.filterwarnings("ignore")
folder = "/usr/share/datasets/fashion-mnist"


def read(name, skip):
    with gzip.open(f"{folder}/{name}.gz") as file:
        return numpy.frombuffer(file.read(), numpy.uint8)[skip:]


pixels, labels = read("train-images-idx3-ubyte", 16).reshape(-1, 784), read("train-labels-idx1-ubyte", 8)
kinds = {
    "svc": svm.SVC,
    "logisticRegression": linear_model.LogisticRegression,
    "kMeans": cluster.KMeans,
    "pca": decomposition.PCA,
    "randomForestClassifier": ensemble.RandomForestClassifier,
    "histGradientBoostingClassifier": ensemble.HistGradientBoostingClassifier,
}
state = {}


def load(request):
    state["x"] = pixels[: request["rows"]] / 255.0
    state["y"] = labels[: request["rows"]].astype(int)
    return {"version": sklearn.__version__}


def run(request):
    options = dict(request["peer"])
    if request.get("starts") is not None:
        options["init"] = state["x"][request["starts"]]

    def fit():
        state["model"] = kinds[request["kind"]](**options).fit(state["x"], state["y"])

    return timed(fit, 1)


def result(request):
    model = state["model"]
    if request["kind"] == "kMeans":
        return {"values": [float(model.inertia_)], "steps": int(model.n_iter_)}
    if request["kind"] == "pca":
        return {"values": model.explained_variance_.tolist()}
    steps = getattr(model, "n_iter_", None)
    return {"values": [float(model.score(state["x"], state["y"]))], "steps": None if steps is None else int(numpy.max(steps))}


answer({"load": load, "run": run, "result": result})
