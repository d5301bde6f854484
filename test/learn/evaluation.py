# Writes evaluation.json: what scikit-learn 1.2.1 (Debian's python3-sklearn) gives for the data of the tests of metrics,
# splits and preprocessing. Run: /usr/bin/python3 test/learn/evaluation.py
import json
import os
import warnings

import numpy as np
from sklearn import datasets, metrics, model_selection, preprocessing
from sklearn.calibration import calibration_curve
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer

warnings.simplefilter('ignore')
rng = np.random.RandomState(7)


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return {'nan': 'NaN', 'inf': 'Infinity', '-inf': '-Infinity'}[str(value)]
    return value


# classification
labels = rng.choice([0, 1, 2, 5], 60, p=[0.4, 0.3, 0.2, 0.1])
predicted = np.where(rng.rand(60) < 0.6, labels, rng.choice([0, 1, 2, 7], 60))
weight = np.round(rng.rand(60) * 3, 3)
names = np.array(['ham', 'spam'])
words = names[rng.randint(0, 2, 40)]
guessed = np.where(rng.rand(40) < 0.7, words, names[rng.randint(0, 2, 40)])
classification = {'labels': labels, 'predicted': predicted, 'weight': weight, 'words': words, 'guessed': guessed, 'cases': []}
for w in (None, weight):
    for average in ('micro', 'macro', 'weighted', None):
        for zero in (0, 1):
            p, r, f, _ = metrics.precision_recall_fscore_support(labels, predicted, average=average, zero_division=zero, sample_weight=w)
            f2 = metrics.fbeta_score(labels, predicted, beta=2, average=average, zero_division=zero, sample_weight=w)
            classification['cases'].append({'weighted': w is not None, 'average': average or 'none', 'zeroDivision': zero, 'precision': p, 'recall': r, 'f1': f, 'f2': f2})
classification['confusion'] = {
    'counts': metrics.confusion_matrix(labels, predicted),
    'weighted': metrics.confusion_matrix(labels, predicted, sample_weight=weight),
    'chosen': metrics.confusion_matrix(labels, predicted, labels=[2, 0, 9]),
    **{n: metrics.confusion_matrix(labels, predicted, normalize=n) for n in ('true', 'pred', 'all')},
}
classification['accuracy'] = [metrics.accuracy_score(labels, predicted), metrics.accuracy_score(labels, predicted, sample_weight=weight), metrics.balanced_accuracy_score(labels, predicted)]
classification['matthews'] = [metrics.matthews_corrcoef(labels, predicted), metrics.matthews_corrcoef(labels, predicted, sample_weight=weight)]
classification['binary'] = [metrics.precision_score(words, guessed, pos_label='spam'), metrics.recall_score(words, guessed, pos_label='spam'), metrics.f1_score(words, guessed, pos_label='ham')]
classification['reports'] = {
    'all': metrics.classification_report(labels, predicted, zero_division=0),
    'some': metrics.classification_report(labels, predicted, labels=[0, 2], target_names=['nought', 'two of them, with a long name'], digits=4, zero_division=0),
    'weighted': metrics.classification_report(labels, predicted, sample_weight=weight, zero_division=0),
    'words': metrics.classification_report(words, guessed, digits=3),
    'dict': metrics.classification_report(labels, predicted, output_dict=True, zero_division=0),
    'toy': metrics.classification_report([0, 0, 1, 1, 2], [0, 1, 1, 1, 0], zero_division=0),
}

# ranking: scores with ties
truth = rng.randint(0, 2, 80)
scores = np.round(truth * 0.4 + rng.rand(80), 1)
weight2 = np.round(rng.rand(80) * 2, 3)
p3 = rng.dirichlet([1, 1, 1], 50)
y3 = rng.randint(0, 3, 50)
ranking = {'truth': truth, 'scores': scores, 'weight': weight2, 'p3': p3, 'y3': y3, 'curves': []}
for w in (None, weight2):
    for drop in (True, False):
        ranking['curves'].append(dict(zip(('fpr', 'tpr', 'thresholds'), metrics.roc_curve(truth, scores, sample_weight=w, drop_intermediate=drop))))
ranking['auc'] = [metrics.roc_auc_score(truth, scores), metrics.roc_auc_score(truth, scores, sample_weight=weight2)]
ranking['pr'] = [dict(zip(('precision', 'recall', 'thresholds'), metrics.precision_recall_curve(truth, scores, sample_weight=w))) for w in (None, weight2)]
ranking['ap'] = [metrics.average_precision_score(truth, scores), metrics.average_precision_score(truth, scores, sample_weight=weight2), metrics.average_precision_score(truth, scores, pos_label=0)]
ranking['multi'] = {f'{m} {a}': metrics.roc_auc_score(y3, p3, multi_class=m, average=a) for m in ('ovr', 'ovo') for a in ('macro', 'weighted')}

# probabilities
prob = np.clip(truth * 0.3 + rng.rand(80) * 0.7, 0, 1)
prob[:2] = [0, 1]
probability = {
    'prob': prob,
    'logLoss': [metrics.log_loss(truth, prob), metrics.log_loss(y3, p3), metrics.log_loss(truth, prob, sample_weight=weight2), metrics.log_loss(y3, p3, normalize=False)],
    'brier': [metrics.brier_score_loss(truth, prob), metrics.brier_score_loss(truth, prob, sample_weight=weight2)],
    'calibration': {s: calibration_curve(truth, prob, n_bins=7, strategy=s) for s in ('uniform', 'quantile')},
}

# regression
target = rng.randn(30, 2) * [1, 10]
output = target + rng.randn(30, 2)
w30 = rng.rand(30)
regression = {'target': target, 'output': output, 'weight': w30, 'values': {}}
for name, f in {
    'meanSquaredError': metrics.mean_squared_error,
    'meanAbsoluteError': metrics.mean_absolute_error,
    'meanAbsolutePercentageError': metrics.mean_absolute_percentage_error,
    'rootMeanSquaredError': lambda a, b, **k: metrics.mean_squared_error(a, b, squared=False, **k),
    'r2Score': metrics.r2_score,
    'explainedVarianceScore': metrics.explained_variance_score,
}.items():
    regression['values'][name] = [f(target, output), f(target, output, multioutput='raw_values'), f(target, output, sample_weight=w30)]
regression['median'] = metrics.median_absolute_error(target, output)
regression['max'] = metrics.max_error(target[:, 0], output[:, 0])

# splits
y = rng.choice([0, 1, 2], 53, p=[0.55, 0.3, 0.15])
groups = rng.randint(0, 9, 53)
X = np.arange(53).reshape(-1, 1)
pairs = lambda splitter, *a: [[list(a), list(b)] for a, b in splitter.split(X, *a)]
splits = {'y': y, 'groups': groups, 'trainTest': [], 'folds': {}}
for kwargs in ({}, {'test_size': 0.2}, {'train_size': 30, 'test_size': 10}, {'train_size': 0.5}, {'stratify': True}, {'stratify': True, 'test_size': 0.4}, {'stratify': True, 'train_size': 20, 'test_size': 7}, {'shuffle': False}):
    for seed in (0, 42, 4294967295):
        options = {k: v for k, v in kwargs.items() if k != 'stratify'}
        a, b = model_selection.train_test_split(np.arange(53), random_state=seed, stratify=y if 'stratify' in kwargs else None, **options)
        splits['trainTest'].append({'options': kwargs, 'seed': seed, 'train': a, 'test': b})
ms = model_selection
splits['folds'] = {
    'kFold': pairs(ms.KFold(4)),
    'kFoldShuffled': pairs(ms.KFold(4, shuffle=True, random_state=42)),
    'stratified': pairs(ms.StratifiedKFold(4), y),
    'stratifiedShuffled': pairs(ms.StratifiedKFold(5, shuffle=True, random_state=3), y),
    'group': pairs(ms.GroupKFold(3), y, groups),
    'time': pairs(ms.TimeSeriesSplit(4)),
    'timeOptions': pairs(ms.TimeSeriesSplit(3, max_train_size=12, test_size=6, gap=2)),
}
state = np.random.RandomState(12345)
splits['random'] = {'uniform': state.random_sample(3), 'words': [int(state.tomaxint() & 0) for _ in range(0)], 'permutation': state.permutation(20)}

# preprocessing
table = np.round(rng.randn(20, 3) * [1, 5, 0] + [0, 100, 7], 3)
gaps = table.copy()
gaps[rng.rand(20, 3) < 0.2] = np.nan
gaps[0] = table[0]
prep = {'table': table, 'gaps': gaps}
prep['robust'] = preprocessing.RobustScaler().fit_transform(table)
prep['robustQuantiles'] = preprocessing.RobustScaler(quantile_range=(10, 80), with_centering=False).fit_transform(table)
prep['imputed'] = {s: SimpleImputer(strategy=s).fit_transform(gaps) for s in ('mean', 'median', 'most_frequent')}
prep['imputedConstant'] = SimpleImputer(strategy='constant', fill_value=-1, add_indicator=True).fit_transform(gaps)
prep['polynomial'] = {}
for degree, interaction, bias in ((2, False, True), (3, False, False), (3, True, True)):
    t = preprocessing.PolynomialFeatures(degree, interaction_only=interaction, include_bias=bias).fit(table)
    prep['polynomial'][f'{degree} {interaction} {bias}'] = {'values': t.transform(table[:3]), 'names': list(t.get_feature_names_out())}
colours = np.array([['red', 2], ['blue', 1], ['red', 3], ['green', 1], ['blue', 2]], dtype=object)
prep['oneHot'] = {str(drop): preprocessing.OneHotEncoder(drop=drop, sparse_output=False).fit_transform(colours) for drop in (None, 'first', 'if_binary')}
prep['oneHotNames'] = list(preprocessing.OneHotEncoder().fit(colours).get_feature_names_out(['colour', 'size']))
prep['oneHotUnknown'] = preprocessing.OneHotEncoder(handle_unknown='ignore', sparse_output=False).fit(colours).transform(np.array([['pink', 1]], dtype=object))
prep['ordinal'] = preprocessing.OrdinalEncoder().fit_transform(colours)

docs = ['The cat sat on the mat; the cat, again!', 'A dog sat. Dogs do not sit on mats', "It's the dog's mat -- naïve café x y 12 a1", '', 'cat cat cat dog_food sat']
text = {'docs': docs, 'cases': []}
for kwargs in ({}, {'ngram_range': (1, 2)}, {'min_df': 2}, {'max_df': 0.5}, {'max_features': 3}, {'stop_words': ['the', 'on']}, {'lowercase': False}, {'binary': True}, {'analyzer': 'char', 'ngram_range': (2, 3)}, {'analyzer': 'char_wb', 'ngram_range': (3, 4)}, {'vocabulary': ['dog', 'cat']}):
    c = CountVectorizer(**kwargs).fit(docs)
    text['cases'].append({'options': kwargs, 'names': list(c.get_feature_names_out()), 'counts': c.transform(docs).toarray()})
text['tfidf'] = []
for kwargs in ({}, {'norm': 'l1'}, {'norm': None}, {'use_idf': False}, {'smooth_idf': False}, {'sublinear_tf': True}, {'ngram_range': (1, 2), 'min_df': 2}):
    t = TfidfVectorizer(**kwargs).fit(docs)
    text['tfidf'].append({'options': kwargs, 'idf': t.idf_ if kwargs.get('use_idf', True) else None, 'values': t.transform(docs).toarray()})

# cross-validation and searches
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
wine, diabetes = datasets.load_wine(), datasets.load_diabetes()
model = make_pipeline(preprocessing.StandardScaler(), LogisticRegression(max_iter=1000))
search = {'wine': ms.cross_val_score(model, wine.data, wine.target), 'wineLogLoss': ms.cross_val_score(model, wine.data, wine.target, scoring='neg_log_loss')}
search['diabetes'] = ms.cross_val_score(Ridge(), diabetes.data, diabetes.target, cv=4, scoring='neg_root_mean_squared_error')
grid = ms.GridSearchCV(Ridge(), {'fit_intercept': [True, False], 'alpha': [0.01, 0.1, 1, 10]}, return_train_score=True).fit(diabetes.data, diabetes.target)
r = grid.cv_results_
search['grid'] = {'params': [{'alpha': q['alpha'], 'fitIntercept': q['fit_intercept']} for q in r['params']], 'mean': r['mean_test_score'], 'std': r['std_test_score'], 'rank': r['rank_test_score'], 'train': r['mean_train_score'], 'best': grid.best_index_, 'score': grid.score(diabetes.data, diabetes.target)}
search['halving'] = []
for n, factor in ((8, 3), (27, 3), (5, 2), (16, 2)):
    h = ms.HalvingGridSearchCV(Ridge(), {'alpha': list(np.logspace(-3, 2, n))}, factor=factor, random_state=0).fit(diabetes.data, diabetes.target)
    search['halving'].append({'candidates': n, 'factor': factor, 'resources': h.n_resources_, 'counts': h.n_candidates_})

out = {'search': search, 'classification': classification, 'ranking': ranking, 'probability': probability, 'regression': regression, 'splits': splits, 'preprocessing': prep, 'text': text}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'evaluation.json')
with open(path, 'w') as file:
    file.write('{\n' + ',\n'.join(f'{json.dumps(k)}: {json.dumps(plain(v), separators=(",", ":"), ensure_ascii=False)}' for k, v in out.items()) + '\n}\n')
