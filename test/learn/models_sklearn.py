# Records what scikit-learn learns from the data sets in data/: python3 test/learn/models_sklearn.py, with scikit-learn
# 1.2 (Debian's python3-sklearn). The tests compare with the file; they never call Python.
import gzip
import json
import os
import warnings

import numpy as np
import sklearn
from sklearn import cluster, decomposition, dummy, linear_model, naive_bayes, neighbors, svm

warnings.filterwarnings("ignore")
here = os.path.dirname(os.path.abspath(__file__))


def table(name):
    with gzip.open(os.path.join(here, "..", "..", "data", name + ".csv.gz"), "rt") as file:
        values = np.array([[float(field) for field in line.split(",")] for line in file.read().strip().split("\n")[1:]])
    return values[:, :-1], values[:, -1]


def load(name):
    if name == "diabetes":
        x, y = table(name)
        x = x - x.mean(axis=0)
        return x / np.sqrt((x**2).sum(axis=0)), y
    if name == "wine-scaled":
        x, y = table("wine")
        return (x - x.mean(axis=0)) / x.std(axis=0), y.astype(int)
    if name == "diabetes-raw":
        return table("diabetes")
    if name == "diabetes-deficient":
        x, y = load("diabetes")
        return np.c_[x, x[:, 0], x[:, 1] + x[:, 2]], y
    if name == "diabetes-wide":
        x, y = load("diabetes")
        return x[:5], y[:5]
    x, y = table(name)
    return x, y.astype(int)


def weights(rows):
    return (np.arange(rows) % 3 + 1) / 2


def plain(value):
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.13g}")
    return value.item() if isinstance(value, np.generic) else value


cases = []


def case(data, kind, options, model, attributes, methods=(), weighted=False, rows=slice(None, None, 37)):
    """attributes: ours -> theirs; methods: ours -> theirs, on some rows"""
    x, y = load(data)
    if weighted:
        model.fit(x, y, sample_weight=weights(len(x)))
    else:
        model.fit(x, y)
    expected = {ours: plain(getattr(model, theirs)) for ours, theirs in attributes.items()}
    results = {ours: plain(getattr(model, theirs)(x[rows])) for ours, theirs in dict(methods).items()}
    score = plain(float(model.score(x, y))) if hasattr(model, "score") and kind != "pca" else None
    cases.append({"data": data, "kind": kind, "options": options, "weighted": weighted, "attributes": expected, "methods": results, "score": score})


LINE = {"coef": "coef_", "intercept": "intercept_"}
PREDICT = {"predict": "predict"}
PROBA = {"predict": "predict", "predictProba": "predict_proba"}
for data in ["diabetes", "diabetes-raw", "diabetes-deficient", "diabetes-wide"]:
    extra = {"rank": "rank_"} if data != "diabetes-wide" else {}
    case(data, "linearRegression", {}, linear_model.LinearRegression(), {**LINE, **extra}, PREDICT)
case("diabetes", "linearRegression", {"fitIntercept": False}, linear_model.LinearRegression(fit_intercept=False), LINE, PREDICT)
case("diabetes-raw", "linearRegression", {}, linear_model.LinearRegression(), LINE, PREDICT, weighted=True)
for data, alpha in [("diabetes", 1), ("diabetes-raw", 10), ("diabetes-deficient", 0.01)]:
    case(data, "ridge", {"alpha": alpha}, linear_model.Ridge(alpha=alpha, solver="svd"), LINE, PREDICT)
case("diabetes-raw", "ridge", {"alpha": 2}, linear_model.Ridge(alpha=2, solver="cholesky"), LINE, PREDICT, weighted=True)
exact = {"tol": 1e-14, "max_iter": 1000000}
for data, alpha in [("diabetes", 0.1), ("diabetes", 1), ("diabetes-raw", 0.5)]:
    case(data, "lasso", {"alpha": alpha}, linear_model.Lasso(alpha=alpha, **exact), LINE, PREDICT)
case("diabetes", "lasso", {"alpha": 0.1, "positive": True}, linear_model.Lasso(alpha=0.1, positive=True, **exact), LINE, PREDICT)
case("diabetes-raw", "elasticNet", {"alpha": 0.5, "l1Ratio": 0.7}, linear_model.ElasticNet(alpha=0.5, l1_ratio=0.7, **exact), LINE, PREDICT)
case("diabetes-raw", "elasticNet", {"alpha": 0.5}, linear_model.ElasticNet(alpha=0.5, **exact), LINE, PREDICT, weighted=True)

newton = {"solver": "newton-cg", "tol": 1e-10, "max_iter": 10000}
saga = {"solver": "saga", "tol": 1e-9, "max_iter": 200000}
LOGISTIC = {**PROBA, "decisionFunction": "decision_function"}
tight = {"tol": 1e-8, "maxIter": 5000}
case("iris", "logisticRegression", tight, linear_model.LogisticRegression(**newton), LINE, LOGISTIC)
case("iris", "logisticRegression", {**tight, "C": 10, "classWeight": {"1": 3}}, linear_model.LogisticRegression(C=10, class_weight={1: 3}, **newton), LINE, LOGISTIC)
case("iris", "logisticRegression", {**tight, "multiClass": "ovr"}, linear_model.LogisticRegression(multi_class="ovr", **newton), LINE, LOGISTIC)
case("wine-scaled", "logisticRegression", {**tight, "classWeight": "balanced"}, linear_model.LogisticRegression(class_weight="balanced", **newton), LINE, LOGISTIC, weighted=True)
case("breast-cancer", "logisticRegression", tight, linear_model.LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=10000), LINE, LOGISTIC)
case("wine-scaled", "logisticRegression", {**tight, "penalty": "l1"}, linear_model.LogisticRegression(penalty="l1", **saga), LINE, LOGISTIC)
case("wine-scaled", "logisticRegression", {**tight, "penalty": "elasticNet", "l1Ratio": 0.3}, linear_model.LogisticRegression(penalty="elasticnet", l1_ratio=0.3, **saga), LINE, LOGISTIC)

SVC = {"support": "support_", "nSupport": "n_support_", "intercept": "intercept_", "dualCoef": "dual_coef_", "gamma": "_gamma"}
SVC_METHODS = {**PREDICT, "decisionFunction": "decision_function"}
fine = {"tol": 1e-6}
for data in ["iris", "wine", "wine-scaled", "breast-cancer"]:
    case(data, "svc", {}, svm.SVC(), SVC, SVC_METHODS)
    case(data, "svc", fine, svm.SVC(**fine), SVC, SVC_METHODS)
for kernel, options in [("linear", {}), ("poly", {"coef0": 1.0}), ("sigmoid", {"gamma": 0.01})]:
    case("wine-scaled", "svc", {"kernel": kernel, **options, **fine}, svm.SVC(kernel=kernel, **options, **fine), SVC, SVC_METHODS)
case("wine-scaled", "svc", {"classWeight": "balanced", "gamma": "auto", **fine}, svm.SVC(class_weight="balanced", gamma="auto", **fine), SVC, SVC_METHODS, weighted=True)
SVR = {"support": "support_", "intercept": "intercept_", "dualCoef": "dual_coef_"}
case("diabetes", "svr", {"C": 100, "epsilon": 5, **fine}, svm.SVR(C=100, epsilon=5, **fine), SVR, PREDICT)
case("diabetes", "svr", {"C": 10, "kernel": "linear", **fine}, svm.SVR(C=10, kernel="linear", **fine), SVR, PREDICT)
long = {"tol": 1e-9, "max_iter": 2000000}
case("iris", "linearSvc", {"tol": 1e-8, "maxIter": 1000000, "seed": 1}, svm.LinearSVC(**long), LINE, SVC_METHODS)
case("wine-scaled", "linearSvc", {"tol": 1e-8, "maxIter": 1000000, "seed": 1, "classWeight": "balanced"}, svm.LinearSVC(class_weight="balanced", **long), LINE, SVC_METHODS)

for options, theirs in [({}, {}), ({"nNeighbors": 3, "weights": "distance"}, {"n_neighbors": 3, "weights": "distance"}), ({"metric": "manhattan"}, {"metric": "manhattan"})]:
    case("wine", "kNeighborsClassifier", options, neighbors.KNeighborsClassifier(**theirs), {}, PROBA)
    case("diabetes-raw", "kNeighborsRegressor", options, neighbors.KNeighborsRegressor(**theirs), {}, PREDICT)
GAUSSIAN = {"theta": "theta_", "variance": "var_", "classPrior": "class_prior_"}
case("iris", "gaussianNB", {}, naive_bayes.GaussianNB(), GAUSSIAN, PROBA)
case("wine", "gaussianNB", {"priors": [0.5, 0.25, 0.25]}, naive_bayes.GaussianNB(priors=[0.5, 0.25, 0.25]), GAUSSIAN, PROBA, weighted=True)
case("digits", "multinomialNB", {}, naive_bayes.MultinomialNB(), {}, PROBA, rows=slice(None, None, 300))
case("digits", "multinomialNB", {"alpha": 0.1, "fitPrior": False}, naive_bayes.MultinomialNB(alpha=0.1, fit_prior=False), {}, PROBA, weighted=True, rows=slice(None, None, 300))
PCA = {"components": "components_", "explainedVariance": "explained_variance_", "explainedVarianceRatio": "explained_variance_ratio_", "singularValues": "singular_values_", "mean": "mean_"}
for data, options, theirs in [("iris", {}, {}), ("wine", {"nComponents": 2, "whiten": True}, {"n_components": 2, "whiten": True}), ("breast-cancer", {"nComponents": 0.9999}, {"n_components": 0.9999})]:
    case(data, "pca", options, decomposition.PCA(**theirs), PCA, {"transform": "transform"})
start = [[5, 3, 1, 0], [6, 3, 4, 1], [7, 3, 5, 2]]
case("iris", "kMeans", {"nClusters": 3, "init": start}, cluster.KMeans(n_clusters=3, init=np.array(start, float), n_init=1), {"clusterCenters": "cluster_centers_", "inertia": "inertia_", "labels": "labels_"}, {**PREDICT, "transform": "transform"})
case("iris", "dummyClassifier", {}, dummy.DummyClassifier(), {"classPrior": "class_prior_"}, PROBA, weighted=True)
case("diabetes", "dummyRegressor", {"strategy": "quantile", "quantile": 0.3}, dummy.DummyRegressor(strategy="quantile", quantile=0.3), {}, PREDICT)

with open(os.path.join(here, "models_sklearn.json"), "w") as file:
    head = json.dumps({"scikit-learn": sklearn.__version__})
    file.write('{"made": %s, "cases": [\n' % head + ",\n".join(json.dumps(one, separators=(",", ":")) for one in cases) + "\n]}\n")
