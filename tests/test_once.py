from kpbench.once import once


def test_a_tuple_is_gone_through_once_and_a_list_each_time():
    calls = []

    @once
    def total(items):
        calls.append(len(items))
        return sum(items)

    some, same, found = (1, 2), tuple(range(1, 3)), [1, 2]
    assert [total(some), total(some), total(same), total(found)] == [3, 3, 3, 3]
    assert len(calls) == 3  # equal is not the same
    found.append(3)
    assert total(found) == 6
