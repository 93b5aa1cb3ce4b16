import pytest

from kpbench.plots.colours import COLOURS, DIVERGING, RANKED, STEPS


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_light_colour_occurs_once_so_that_it_can_be_exchanged():
    lights = [colour.light for colour in COLOURS.values()]
    assert len(set(lights)) == len(lights)


@pytest.mark.parametrize("shade", ["light", "dark"])
@pytest.mark.parametrize("role", ["ink", "muted", "link", "pass", "failed", "first"])
def test_text_has_the_contrast_of_wcag_aa_on_the_page_and_on_panels(role, shade):
    for ground in ("paper", "panel"):
        assert contrast(getattr(COLOURS[role], shade), getattr(COLOURS[ground], shade)) >= 4.5


@pytest.mark.parametrize("shade", ["light", "dark"])
def test_lines_of_the_leading_cells_stand_out_and_steps_grow(shade):
    paper = getattr(COLOURS["paper"], shade)
    assert all(contrast(getattr(COLOURS[role], shade), paper) >= 3 for role in RANKED)
    steps = [contrast(getattr(COLOURS[role], shade), paper) for role in STEPS]
    assert steps == sorted(steps)


@pytest.mark.parametrize("shade", ["light", "dark"])
def test_a_diverging_scale_stands_out_more_the_further_it_is_from_its_middle(shade):
    paper = getattr(COLOURS["paper"], shade)
    strengths = [contrast(getattr(COLOURS[role], shade), paper) for role in DIVERGING]
    assert strengths[:3] == sorted(strengths[:3], reverse=True) and strengths[4:] == sorted(strengths[4:])
    assert min(strengths[0], strengths[-1]) >= 4.5
