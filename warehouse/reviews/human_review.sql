-- High-risk outputs that people reviewed before release
select
    feature,
    sum(outputs) as outputs,
    sum(released) as released,
    sum(reviewed_before_release) as reviewed_before_release,
    sum(released_though_rejected) as released_though_rejected,
    cast(sum(reviewed_before_release) as double) / nullif(sum(released), 0) as before_release_share
from quality.human_review
where day between $first and $last
group by feature
order by released_though_rejected desc, before_release_share, feature
