import plotly.graph_objects as go

from kpbench.plots.epochs import EpochAxis


def axis_of(along, epochs):
    figure = go.Figure()
    ends = along.set_on(figure, epochs)
    assert tuple(figure.layout.xaxis.range) == ends
    return figure.layout.xaxis


def test_an_epoch_lies_at_the_images_seen_by_then_with_its_number_beneath():
    along = EpochAxis(1546)
    axis = axis_of(along, range(1, 13))
    assert list(axis.tickvals) == [1546, 3092, 6184, 9276, 12368, 15460, 18552]
    assert list(axis.ticktext)[:2] == ["1.55k<br>1", "3.09k<br>2"]
    assert axis.title.text == "images seen, epoch beneath"
    assert axis.range[0] < along.at(1) and along.at(12) < axis.range[1]
    assert along.hover([1, 3]) == ["epoch 1 (1,546 images)", "epoch 3 (4,638 images)"]


def test_without_the_number_of_faces_the_axis_has_epochs():
    along = EpochAxis()
    axis = axis_of(along, [1])
    assert (axis.title.text, list(axis.tickvals), list(axis.ticktext)) == ("epoch", [1], ["1"])
    assert along.hover([2]) == ["epoch 2"]
