"""How a track's features are shown."""

from nocturne.web.models import FeatureSeries
from nocturne.web.pages.features import list_figures, plot_features


def make_series(name, count):
    return FeatureSeries(name=name, mean=[0.5] * count, std=[0.1] * count)


def test_every_plot_has_as_many_values_as_its_feature():
    sizes = {"chroma_cqt": 12, "mfcc": 20, "spectral_contrast": 7, "tonnetz": 6, "zcr": 1}
    plots = plot_features([make_series(name, count) for name, count in sizes.items()])
    drawn = {plot.name: len(plot.bars.bars if plot.bars else plot.wheel.petals) for plot in plots}
    assert drawn == {"chroma_cqt": 12, "mfcc": 19, "spectral_contrast": 7, "tonnetz": 6}


def test_only_what_is_there_is_shown():
    assert plot_features([]) == []
    assert [figure.value for figure in list_figures([make_series("zcr", 1)])] == ["0.500 ± 0.100"]
