import pytest

from nocturne.catalogue.export import COLUMNS, require_complete
from nocturne.errors import NocturneError

HEADER = ",".join(COLUMNS)


def write(folder, *lines):
    path = folder / "output.csv"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def test_a_complete_file_gives_its_number_of_rows(tmp_path):
    exported = write(tmp_path, HEADER, '2,"[1.0, 2.0]",0.1,0.2,21', "3,[],,,")
    assert require_complete(exported, 2) == 2
    assert require_complete(write(tmp_path, HEADER), 0) == 0


@pytest.mark.parametrize("documents", [0, 2])
def test_a_file_with_too_few_or_too_many_rows_is_refused(tmp_path, documents):
    exported = write(tmp_path, HEADER, "2,[],0.1,0.2,21")
    with pytest.raises(NocturneError, match=f"has 1 rows, the collection {documents}"):
        require_complete(exported, documents)


def test_other_columns_are_refused_by_name(tmp_path):
    with pytest.raises(NocturneError, match=r"File_Name.*MFCC'"):
        require_complete(write(tmp_path, "File_Name,MFCC", "2,[]"), 1)
