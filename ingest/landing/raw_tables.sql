-- Every table that ingest writes. `raw` holds what an analyst could know; `truth` what only a simulator does.
create schema if not exists raw;
create schema if not exists truth;

-- Numbers of loads are never used twice, whatever is deleted.
create sequence if not exists raw.load_numbers;

-- One row per load that changed the warehouse; is_current marks those whose rows are in raw now. options tells
-- what a simulation was made with, as JSON; published_on is the date that a file gives for itself. load_number counts
-- all loads; revision, the same for all loads of a source, how often rows of the source were taken away again.
create table if not exists raw.load_manifest (
    batch_id varchar primary key,
    source varchar not null,
    origin varchar not null check (origin in ('real', 'simulated', 'stand-in')),
    file_name varchar not null,
    sha256 varchar not null,
    licence varchar,
    rows_read bigint not null,
    rows_loaded bigint not null,
    rows_rejected bigint not null,
    rows_duplicate bigint not null,
    loaded_at timestamp not null,
    load_seconds double not null,
    is_current boolean not null,
    options varchar,
    published_on date,
    load_number bigint,
    revision bigint,
    check (rows_read = rows_loaded + rows_rejected + rows_duplicate)
);

-- A warehouse made before loads were numbered.
alter table raw.load_manifest add column if not exists load_number bigint;
alter table raw.load_manifest add column if not exists revision bigint default 0;
update raw.load_manifest
set load_number = numbered.load_number
from (
    select batch_id, nextval('raw.load_numbers') as load_number
    from (select batch_id from raw.load_manifest where load_number is null order by loaded_at, batch_id)
) as numbered
where load_manifest.batch_id = numbered.batch_id;

-- One row per row of a file that could not be loaded, with the reason and its text as delivered.
create table if not exists raw.rejects (
    batch_id varchar not null,
    source varchar not null,
    file_name varchar not null,
    row_number bigint not null,
    column_name varchar,
    reason varchar not null,
    raw_text varchar
);

-- One row per entry of the catalogue.
create table if not exists raw.anime (
    anime_id varchar not null,
    title varchar not null,
    type varchar not null,
    episodes integer not null,
    status varchar not null,
    season varchar,
    year smallint,
    duration_seconds integer,
    score_arithmetic_geometric_mean double,
    score_arithmetic_mean double,
    score_median double,
    picture varchar,
    thumbnail varchar,
    sources varchar[],
    synonyms varchar[],
    studios varchar[],
    producers varchar[],
    related_anime varchar[],
    tags varchar[],
    _batch_id varchar not null,
    _source_file varchar not null,
    _row_number bigint not null,
    _loaded_at timestamp not null
);

-- One row per purchase or play. The file has no id: event_id is made of the row's content and, for rows
-- that are alike, of which of them it is.
create table if not exists raw.steam_behaviors (
    event_id varchar not null,
    user_id varchar not null,
    game_title varchar not null,
    behavior varchar not null,
    value double not null,
    _batch_id varchar not null,
    _source_file varchar not null,
    _row_number bigint not null,
    _loaded_at timestamp not null
);

-- One row per viewer who signed up, whether or not they ever watched.
create table if not exists raw.viewing_viewers (
    user_id bigint not null,
    signed_up_at timestamp not null,
    acquisition_channel varchar not null,
    _batch_id varchar not null,
    _source_file varchar not null,
    _row_number bigint not null,
    _loaded_at timestamp not null
);

-- One row per episode view.
create table if not exists raw.viewing_events (
    event_id bigint not null,
    user_id bigint not null,
    anime_id varchar not null,
    episode_number integer not null,
    started_at timestamp not null,
    watch_seconds integer not null,
    episode_seconds integer not null,
    completion double not null,
    device varchar not null,
    _batch_id varchar not null,
    _source_file varchar not null,
    _row_number bigint not null,
    _loaded_at timestamp not null
);

-- One row per viewer: what drives them. leaves_at is null when they stay beyond the log's end.
create table if not exists truth.viewers (
    user_id bigint not null,
    engagement double not null,
    leave_hazard_per_day double not null,
    leaves_at timestamp,
    taste double[] not null
);

-- One row per title that can be chosen.
create table if not exists truth.titles (
    anime_id varchar not null,
    quality double not null,
    popularity double not null
);

-- One row per view that had a next episode: the probability it was drawn with, and the draw.
create table if not exists truth.episode_choices (
    event_id bigint not null,
    p_continue double not null,
    continued boolean not null
);

-- One row per simulated source and planted effect, with its true size.
create table if not exists truth.effects (
    source varchar not null,
    effect varchar not null,
    size double not null,
    unit varchar not null,
    description varchar not null
);

-- A warehouse made before the clickstream had effects.
alter table truth.effects add column if not exists source varchar default 'viewing';

-- One row per rating of a movie by a user.
create table if not exists raw.movielens_ratings (
    user_id bigint not null,
    movie_id bigint not null,
    rating double not null,
    rated_at timestamp not null,
    _batch_id varchar not null,
    _source_file varchar not null,
    _row_number bigint not null,
    _loaded_at timestamp not null
);

-- One row per movie. The year is taken out of the title; genres are empty where the file lists none.
create table if not exists raw.movielens_movies (
    movie_id bigint not null,
    title varchar not null,
    release_year smallint,
    genres varchar[] not null,
    _batch_id varchar not null,
    _source_file varchar not null,
    _row_number bigint not null,
    _loaded_at timestamp not null
);

-- One row per tag that a user gave a movie.
create table if not exists raw.movielens_tags (
    user_id bigint not null,
    movie_id bigint not null,
    tag varchar not null,
    tagged_at timestamp not null,
    _batch_id varchar not null,
    _source_file varchar not null,
    _row_number bigint not null,
    _loaded_at timestamp not null
);

-- One row per movie: its identifiers elsewhere.
create table if not exists raw.movielens_links (
    movie_id bigint not null,
    imdb_id varchar,
    tmdb_id bigint,
    _batch_id varchar not null,
    _source_file varchar not null,
    _row_number bigint not null,
    _loaded_at timestamp not null
);

-- One row per event of any log of the user's own; several sources side by side. An event id that a log lacks is made
-- of user, session, event, item and time. properties is a JSON object of the columns left over.
create table if not exists raw.events (
    source varchar not null,
    event_id varchar not null,
    user_id varchar not null,
    session_id varchar,
    event_name varchar not null,
    item_id varchar,
    occurred_at timestamp not null,
    properties varchar,
    _batch_id varchar not null,
    _source_file varchar not null,
    _row_number bigint not null,
    _loaded_at timestamp not null
);

-- One row per file of an event log that is read where it lies: a load of its own, whose events no table here holds.
-- Whether it is the file that was registered, its size and time tell (UTC, to the microsecond). mapping tells how its
-- columns are read, as JSON; mapping_id is the same for files of a source that are read in the same way. content_sha256
-- is there where it is part of what an event is known by. Of what the models need not look for: has_repeats, whether an
-- id is met twice in the file; is_shared, whether one is in another file of the source too.
create table if not exists raw.files_in_place (
    batch_id varchar not null,
    source varchar not null,
    path varchar not null,
    size_bytes bigint not null,
    modified_at timestamp not null,
    mapping_id varchar not null,
    mapping varchar not null,
    content_sha256 varchar,
    first_event_id varchar,
    last_event_id varchar,
    has_repeats boolean not null,
    is_shared boolean not null
);

-- One row per file in place, column and reason for which rows of it are no events: how many, and the first.
create table if not exists raw.rejects_in_place (
    batch_id varchar not null,
    source varchar not null,
    file_name varchar not null,
    column_name varchar,
    reason varchar not null,
    rows_count bigint not null,
    first_row_number bigint not null
);

-- One row per simulated user of the generated clickstream: the persona that drives them.
create table if not exists truth.personas (
    source varchar not null,
    user_id varchar not null,
    persona varchar not null
);

-- One row per persona and pair of events: the probability that the one is followed by the other, as the mean over all
-- times that the log leaves the first; the start and end of a session are the events (start) and (end).
create table if not exists truth.persona_transitions (
    source varchar not null,
    persona varchar not null,
    from_event varchar not null,
    to_event varchar not null,
    probability double not null
);

-- One row per simulated source and number of days since a user's first: the probability to be active on that very day.
create table if not exists truth.retention (
    source varchar not null,
    days_since_first integer not null,
    probability double not null
);

-- One row per event of the generated clickstream: the probability that its session reaches the goal after it.
create table if not exists truth.conversion_outlooks (
    source varchar not null,
    event_id varchar not null,
    p_converts double not null
);
