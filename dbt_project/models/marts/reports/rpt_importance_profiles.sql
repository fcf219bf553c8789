with importances as (
    select * from {{ ref('rpt_feature_importance') }}
),

runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

-- What shuffling gains is chance: no importance.
shares as (
    select
        importances.run_id,
        importances.task,
        runs.source,
        runs.splitter,
        runs.label_kind,
        importances.feature,
        importances.importance_rank,
        greatest(importances.importance_mean, 0) / nullif(
            {{ settled('sum(greatest(importances.importance_mean, 0)) over (partition by importances.run_id)') }}, 0
        ) as importance_share
    from importances
    inner join runs on importances.run_id = runs.run_id
),

spread as (
    select
        run_id,
        task,
        source,
        splitter,
        label_kind,
        max(case when importance_rank = 1 then feature end) as first_feature,
        max(importance_share) as first_share,
        1 / nullif({{ settled('sum(importance_share * importance_share)') }}, 0) as effective_features,
        cast(count(*) as bigint) as features_count
    from shares
    group by run_id, task, source, splitter, label_kind
),

-- The same task on two sources: do they rank their common features alike?
pairs as (
    select
        here.run_id,
        there.source as other_source,
        rank() over (partition by here.run_id, there.source order by here.importance_rank) as own_rank,
        rank() over (partition by here.run_id, there.source order by there.importance_rank) as other_rank
    from shares as here
    inner join shares as there
        on
            here.task = there.task
            and here.splitter = there.splitter
            and here.feature = there.feature
            and here.source <> there.source
),

correlations as (
    select
        run_id,
        other_source,
        {{ settled('corr(own_rank, other_rank)') }} as rank_correlation,
        cast(count(*) as bigint) as common_features_count
    from pairs
    group by run_id, other_source
)

select
    spread.run_id,
    spread.task,
    spread.source,
    spread.splitter,
    spread.label_kind,
    spread.first_feature,
    spread.first_share,
    spread.effective_features,
    spread.features_count,
    coalesce(correlations.other_source, '(none)') as other_source,
    correlations.rank_correlation,
    correlations.common_features_count
from spread
left join correlations on spread.run_id = correlations.run_id
