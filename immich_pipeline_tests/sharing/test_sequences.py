"""Whatever happens, in whatever order: in the end the target has what a fresh copy of the source would be, and its own choices."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from immich_pipeline.sharing.model import Job, RemovalBrake, SharePolicy
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.invariants import broken, copied, copies_of, target_of
from immich_pipeline_tests.sharing.runs import cycle
from immich_pipeline_tests.sharing.views import views
from immich_pipeline_tests.thorough import times

EXAMPLES = int(os.environ.get("SHARING_SEQUENCES", times(8, 60)))
"""Stories that are played; the environment may say how many."""
POLICY = SharePolicy(tags="copy", names="mirror")
RELEASED = RemovalBrake(released=True)


@dataclass
class Play:
    """A house in which things happen; `pick` numbers choose among what there is.

    Attributes:
        album: of the target, that copies are put into.
        assets: of the source, those that are not deleted for good; videos of live photos are apart.
        videos: of live photos -> their stills.
        trashed: those in the source's trash.
        offline: those whose file is away.
        favourites: sources of the copies that the target marked.
        archived: sources of the copies that the target archived.
        described: source of the copy that the target described -> description.
        dropped: sources of the copies that the target deleted for good.
        binned: sources of the copies that the target put into its trash.
        taken_out: sources of the copies that the target took out of the album.
    """

    house: House
    job: Job
    album: str
    assets: list[str] = field(default_factory=list)
    videos: dict[str, str] = field(default_factory=dict)
    people: list[str] = field(default_factory=list)
    trashed: set[str] = field(default_factory=set)
    offline: set[str] = field(default_factory=set)
    favourites: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    described: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    binned: set[str] = field(default_factory=set)
    taken_out: set[str] = field(default_factory=set)
    number: int = 0

    def next(self) -> int:
        self.number += 1
        return self.number

    def asset(self, pick: int) -> str | None:
        return self.assets[pick % len(self.assets)] if self.assets else None

    def copy(self, pick: int) -> tuple[str, str] | None:
        """A source and its copy that are both there and in nobody's trash."""
        living = sorted(
            (copy.source, copy.target) for copy in copies_of(self.house, self.job, "live")
            if copy.source in self.assets and copy.source not in self.trashed | self.binned | self.offline
        )  # fmt: skip
        return living[pick % len(living)] if living else None

    def present(self) -> set[str]:
        """The sources of which there must be a copy, in the target's trash or not."""
        return self.with_videos(set(self.assets) - self.trashed - self.dropped)

    def with_videos(self, stills: set[str]) -> set[str]:
        return stills | {video for video, still in self.videos.items() if still in stills}


def add_photo(play: Play, pick: int) -> None:
    photo = play.house.add_photo(f"{EXTERNAL}/{play.next()}.jpg")
    play.assets.append(photo)
    play.house.add_face(photo, play.people[pick % 3])


def add_live(play: Play, pick: int) -> None:
    still, video = play.house.add_live_photo(f"{EXTERNAL}/{play.next()}.heic")
    play.assets.append(still)
    play.videos[video] = still


def trash(play: Play, pick: int) -> None:
    asset = play.asset(pick)
    if asset is not None:
        changes.trash(play.house, asset)
        play.trashed.add(asset)


def restore(play: Play, pick: int) -> None:
    for asset in sorted(play.trashed)[: 1 + pick % 2]:
        changes.restore(play.house, asset)
        play.trashed.discard(asset)


def delete(play: Play, pick: int) -> None:
    asset = play.asset(pick)
    if asset is not None:
        trash(play, pick)
        changes.delete_for_good(play.house, asset, *videos_of(play, asset))
        play.assets.remove(asset)
        play.trashed.discard(asset)


def videos_of(play: Play, still: str) -> list[str]:
    return [video for video, owner in play.videos.items() if owner == still]


def describe(play: Play, pick: int) -> None:
    if asset := play.asset(pick):
        changes.set_exif(play.house, asset, description=f"alice {play.next()}", rating=pick % 6)


def regenerate(play: Play, pick: int) -> None:
    if asset := play.asset(pick):
        changes.regenerate_pictures(play.house, asset, str(play.next()))


def edit(play: Play, pick: int) -> None:
    asset = play.asset(pick)
    if asset and play.house.value('SELECT count(*) FROM asset_edit WHERE "assetId" = %s', asset):
        changes.undo_edits(play.house, asset)
    elif asset:
        play.house.add_edit(asset)


def read_text(play: Play, pick: int) -> None:
    if asset := play.asset(pick):
        changes.read_text_again(play.house, asset, *(["line"] * (pick % 3)), f"text {play.next()}")


def embed(play: Play, pick: int) -> None:
    if asset := play.asset(pick):
        changes.embed_again(play.house, asset)


def faces_of(play: Play, pick: int) -> str | None:
    rows = play.house.rows(
        'SELECT face.id::text FROM asset_face AS face JOIN asset ON asset.id = "assetId" WHERE "ownerId" = %s ORDER BY 1', play.house.alice
    )  # fmt: skip
    return rows[pick % len(rows)][0] if rows else None


def add_face(play: Play, pick: int) -> None:
    if asset := play.asset(pick):
        left = 10 * play.next()
        play.house.add_face(asset, [*play.people, None][pick % 4], box=(left, 10, left + 9, 90))


def move_face(play: Play, pick: int) -> None:
    if face := faces_of(play, pick):
        changes.move_face(play.house, face, [*play.people, None][pick % 4])


def remove_face(play: Play, pick: int) -> None:
    if face := faces_of(play, pick):
        changes.delete_face(play.house, face, soft=pick % 2 == 0)


def merge(play: Play, pick: int) -> None:
    into, other = play.people[pick % 3], play.people[(pick + 1) % 3]
    changes.merge_people(play.house, into, other)
    play.people[(pick + 1) % 3] = play.house.add_person("" if pick % 2 else f"Person {play.next()}")


def rename(play: Play, pick: int) -> None:
    changes.set_person(play.house, play.people[pick % 3], name=f"Person {play.next()}")


def stack(play: Play, pick: int) -> None:
    first, second = play.asset(pick), play.asset(pick + 1)
    free = 'SELECT count(*) FROM asset WHERE id = ANY(%s::uuid[]) AND "stackId" IS NULL'
    if first and second and first != second and play.house.value(free, [first, second]) == 2:
        play.house.add_stack(first, second)


def unstack(play: Play, pick: int) -> None:
    rows = play.house.rows('SELECT id::text FROM stack WHERE "ownerId" = %s ORDER BY 1', play.house.alice)
    if rows:
        changes.unstack(play.house, rows[pick % len(rows)][0])


def tag(play: Play, pick: int) -> None:
    asset, value = play.asset(pick), f"Tags/{pick % 3}"
    if asset is None:
        return
    held = 'SELECT count(*) FROM tag_asset JOIN tag ON tag.id = "tagId" WHERE "assetId" = %s AND value = %s'
    if play.house.value(held, asset, value):
        play.house.untag(asset, value)
    else:
        play.house.tag(asset, value)


def disk_away(play: Play, pick: int) -> None:
    asset = play.asset(pick)
    if asset is not None and asset not in play.trashed:
        changes.take_offline(play.house, asset)
        play.offline.add(asset)


def disk_back(play: Play, pick: int) -> None:
    for asset in sorted(play.offline - play.trashed):
        changes.bring_back_online(play.house, asset)
    play.offline.clear()


def like(play: Play, pick: int) -> None:
    if found := play.copy(pick):
        changes.set_asset(play.house, found[1], isFavorite=True)
        play.favourites.add(found[0])


def archive(play: Play, pick: int) -> None:
    if found := play.copy(pick):
        changes.set_asset(play.house, found[1], visibility="archive")
        play.archived.add(found[0])


def describe_copy(play: Play, pick: int) -> None:
    if found := play.copy(pick):
        text = f"bob {play.next()}"
        locked = play.house.row("asset_exif", assetId=found[1])["lockedProperties"] or []
        if "description" not in locked:
            changes.set_exif(play.house, found[1], description=text)
            play.described[found[0]] = text


def bin_copy(play: Play, pick: int) -> None:
    if found := play.copy(pick):
        changes.trash(play.house, found[1])
        play.binned.add(found[0])


def drop_copy(play: Play, pick: int) -> None:
    if found := play.copy(pick):
        video = play.house.value('SELECT "livePhotoVideoId"::text FROM asset WHERE id = %s', found[1])
        changes.delete_for_good(play.house, found[1], *([video] if video else []))
        play.dropped.add(found[0])
        share(play, pick)  # before the source goes as well, when nobody could say who wanted it


def take_out(play: Play, pick: int) -> None:
    if found := play.copy(pick):
        play.house.take_out(play.album, found[1])
        play.taken_out.add(found[0])


def scan(play: Play, pick: int) -> None:
    """A scan of the target library takes a copy offline."""
    if found := play.copy(pick):
        changes.take_offline(play.house, found[1])


def share(play: Play, pick: int) -> int:
    """A cycle, now and then a full one; the choices that the target made about copies that are gone now are gone too."""
    written = cycle(play.house, play.job, brake=RELEASED, full=pick % 5 == 0).written
    there = copied(play.house, play.job)
    for choices in (play.favourites, play.archived, play.binned, play.taken_out):
        choices.intersection_update(there)
    play.described = {source: text for source, text in play.described.items() if source in there}
    return written


HAPPENINGS: tuple[Callable[[Play, int], object], ...] = (
    add_photo, add_live, trash, restore, delete, describe, regenerate, edit, read_text, embed, add_face, move_face, remove_face, merge,
    rename, stack, unstack, tag, disk_away, disk_back, like, archive, describe_copy, bin_copy, drop_copy, take_out, scan,
    share, share, share,
)  # fmt: skip


def until_quiet(play: Play) -> None:
    for _ in range(4):
        if share(play, 1) == 0:
            return
    raise AssertionError("it never comes to rest")


def check(play: Play) -> None:
    house, job = play.house, play.job
    disk_back(play, 0)
    until_quiet(play)
    assert broken_but_for_choices(play) == []
    if job.policy.on_source_delete == "delete":
        assert copied(house, job) == play.present()
    assert {copy.source for copy in copies_of(house, job, "live")} == play.present() - play.binned
    fresh = house.job(
        name="fresh", target_owner=house.carol, target_prefix="/external/carol/alice", policy=POLICY,
        target_library=house.add_library(house.carol, "from Alice", "/external/carol"),
    )  # fmt: skip
    cycle(house, fresh)
    wanted, got = views(house, fresh), views(house, job)
    for source, text in play.described.items():
        if source in got and source in wanted:
            wanted[source].columns["description"] = text
    gone = play.with_videos(play.binned | play.dropped)
    for source in wanted.keys() - gone:
        if not set(wanted[source].stack) & gone:
            assert got[source].stack == wanted[source].stack
        assert replace(got[source], stack=()) == replace(wanted[source], stack=())
    inside = house.rows('SELECT "assetId"::text FROM album_asset WHERE "albumId" = %s', play.album)
    shown = copied(house, job) - play.videos.keys() - play.taken_out
    assert {asset for (asset,) in inside} == {target_of(house, source) for source in shown}
    for source in got:
        row = house.row("asset", id=target_of(house, source))
        assert row["isFavorite"] == (source in play.favourites)
        assert (row["visibility"] == "archive") == (source in play.archived)
        assert (row["deletedAt"] is not None) == (source in play.binned)


def broken_but_for_choices(play: Play) -> list[str]:
    """Descriptions of the target's own are no fault."""
    paths = [
        f"'{row[0]}'"
        for row in play.house.rows('SELECT "originalPath" FROM asset WHERE id = ANY(%s::uuid[])', [*play.described])
    ]
    return [
        problem for problem in broken(play.house, play.job)
        if not any(problem.startswith(f"{path}: asset_exif") and "description" in problem for path in paths)
    ]  # fmt: skip


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=(Phase.generate, Phase.shrink),
)
@given(
    version=st.sampled_from(["3.1.0", "3.2"]),
    on_source_delete=st.sampled_from(["delete", "trash"]),
    story=st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 100)), min_size=5, max_size=25),
)  # fmt: skip
def test_any_sequence_of_changes_ends_in_a_fresh_copy_and_the_targets_own_choices(
    make_house: Callable[[str], House],
    version: str,
    on_source_delete: Literal["delete", "trash"],
    story: list[tuple[Callable[[Play, int], object], int]],
) -> None:
    house = make_house(version)
    try:
        play_through(house, replace(POLICY, on_source_delete=on_source_delete), story)
    finally:
        house.close()  # else many examples take up all connections of the server


def play_through(house: House, policy: SharePolicy, story: list[tuple[Callable[[Play, int], object], int]]) -> None:
    album = house.add_album(house.bob, "From Alice")
    play = Play(house, house.job(policy=policy, album=album), album)
    play.people = [house.add_person("Ann"), house.add_person(""), house.add_person("Ben")]
    for pick in range(4):
        add_photo(play, pick)
    share(play, 0)
    for happening, pick in story:
        happening(play, pick)
    check(play)
