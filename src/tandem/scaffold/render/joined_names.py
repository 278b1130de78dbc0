"""Names what the modules of a pipeline that joins two streams have in common."""

from __future__ import annotations

from tandem.scaffold.chosen import Chosen
from tandem.scaffold.joining import Joining
from tandem.scaffold.names import dead_letter_topic
from tandem.scaffold.render import parts


class JoinedNames:
    """The names of a pipeline that joins two streams.

    Args:
        pipeline: its name.
        package: its package.
        join: the streams and how they are joined.

    Attributes:
        left_fields: the types of the left stream's columns in documents, by their names there.
        right_fields: the same of the right stream.
        renamed: for each constant, the columns that have another name in documents, with it.
        right_key: the column of joined rows with the right stream's key.
        right_row_identity: the column of joined rows with the right stream's identity.
        words: the parts of every template.
    """

    def __init__(self, pipeline: str, package: str, join: Joining) -> None:
        self.pipeline, self.package, self.streams = pipeline, package, f"{package}.streams"
        self.join, self.left, self.right = join, join.left, join.right
        self.left_fields = parts.document_fields(join.left, join.left_names)
        self.right_fields = parts.document_fields(join.right, join.right_names)
        self.renamed = {
            parts.names_constant(chosen): parts.renaming(names)
            for chosen, names in ((join.left, join.left_names), (join.right, join.right_names))
        }
        # Joined rows have both keys, and documents have one.
        shared = join.column(f"{join.right.record}_{join.left_key}")
        self.right_key = shared if join.is_shared else join.right_names[join.refers[0]]
        is_key = join.is_shared and join.right.stream.identity_column == join.refers[0]
        self.right_row_identity = shared if is_key else join.right_identity
        self.words = {"pipeline": pipeline, "dead_letter_topic": dead_letter_topic(pipeline)}
        for side, chosen in (("left", join.left), ("right", join.right)):
            self.words |= {
                f"{side}_name": chosen.stream.name,
                f"{side}_record": chosen.record,
                f"{side}_constant": parts.constant(chosen),
            }

    def time(self, chosen: Chosen) -> str:
        """Returns the name of a stream's event time in documents."""
        names = self.join.left_names if chosen is self.left else self.join.right_names
        return names[chosen.stream.time_column]
