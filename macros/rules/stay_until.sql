{#- Hysteresis: a stricter stay_until would drop members who have just entered; an equal one would have no effect. -#}
{% macro rule_check_stay(grammar, segment) %}
    {%- if segment.stay_until is not none -%}
        {%- set subject = segment.subject -%}
        {%- if not rule_implies(grammar, segment.rule, segment.stay_until) -%}
            {%- do definition_error(subject, 'stay_until', "'" ~ rule_words(segment.stay_until) ~ "', which does not follow from the entry rule '" ~ rule_words(segment.rule) ~ "'", 'a looser rule: conditions of the entry rule with the same or wider limits, or fewer of them') -%}
        {%- elif rule_implies(grammar, segment.stay_until, segment.rule) -%}
            {%- do definition_error(subject, 'stay_until', 'a rule that has no effect, because it says the same as the entry rule', 'a looser rule, or no stay_until') -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{#- Compares the shape alone: true is a proof, false may be the lack of one. A negation implies only itself. -#}
{% macro rule_implies(grammar, strict, loose) %}
    {%- if strict == loose -%}
        {{- return(true) -}}
    {%- elif 'rule' in loose and loose.kind == 'segment' -%}
        {{- return(rule_implies(grammar, strict, loose.rule)) -}}
    {%- elif 'rule' in strict and strict.kind == 'segment' -%}
        {{- return(rule_implies(grammar, strict.rule, loose)) -}}
    {%- elif loose.kind == 'all' -%}
        {%- for part in loose.rules -%}
            {%- if not rule_implies(grammar, strict, part) -%}{{- return(false) -}}{%- endif -%}
        {%- endfor -%}
        {{- return(true) -}}
    {%- elif strict.kind == 'any' -%}
        {%- for part in strict.rules -%}
            {%- if not rule_implies(grammar, part, loose) -%}{{- return(false) -}}{%- endif -%}
        {%- endfor -%}
        {{- return(true) -}}
    {%- endif -%}
    {%- if loose.kind == 'any' -%}
        {%- for part in loose.rules -%}
            {%- if rule_implies(grammar, strict, part) -%}{{- return(true) -}}{%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if strict.kind == 'all' -%}
        {%- for part in strict.rules -%}
            {%- if rule_implies(grammar, part, loose) -%}{{- return(true) -}}{%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set same = 'operator' in strict and strict.kind == loose.kind and [strict.column, strict.subject] == [loose.column, loose.subject] -%}
    {%- set operators = [strict.operator, loose.operator] -%}
    {%- if 'is_known' in operators -%}
        {#- No other condition holds for a null. -#}
        {{- return(same and operators[1] == 'is_known' and operators[0] != 'is_known' and loose.limit) -}}
    {%- elif strict.kind == 'metric' and loose.kind == 'metric' and strict.metric == loose.metric -%}
        {{- return(rule_limit_implies(grammar.metrics[strict.metric], strict, loose)) -}}
    {%- elif not same -%}
        {{- return(false) -}}
    {%- elif operators == ['in', 'in'] -%}
        {{- return(not strict.limit | reject('in', loose.limit) | list) -}}
    {%- elif operators == ['in', 'not_in'] -%}
        {{- return(not strict.limit | select('in', loose.limit) | list) -}}
    {%- elif operators == ['not_in', 'not_in'] -%}
        {{- return(not loose.limit | reject('in', strict.limit) | list) -}}
    {%- endif -%}
    {{- return(operators | select('in', ['in', 'not_in']) | list == [] and rule_limit_implies({}, strict, loose)) -}}
{% endmacro %}


{#-
    Counts only grow with their window: one order in 30 days is one in 60 days too, and none in 60 days is none in 30. Sums
    may fall (returns) and means move either way: same window only.
-#}
{% macro rule_limit_implies(metric, strict, loose) %}
    {%- if 'than' in strict or 'than' in loose or strict.kind == 'date' -%}
        {{- return(false) -}}
    {%- elif 'cut_column' in loose -%}
        {{- return(strict.column == loose.column and strict.operator == loose.operator and (strict.limit <= loose.limit if loose.limit is number else strict.limit == loose.limit)) -}}
    {%- endif -%}
    {%- set counts = metric.absent == 0 and metric.aggregate in ['count', 'count_days', 'count_distinct'] -%}
    {%- set same = strict.column == loose.column -%}
    {%- set windows = (strict.windows + loose.windows if counts else []) | selectattr('kind', 'equalto', 'days') | list -%}
    {%- set may_differ = windows | length == 2 and windows[0].where == windows[1].where -%}
    {%- set wider = same or (may_differ and rule_window_contains(windows[1], windows[0])) -%}
    {%- set narrower = same or (may_differ and rule_window_contains(windows[0], windows[1])) -%}
    {%- set inner = rule_interval(strict) -%}
    {%- set outer = rule_interval(loose) -%}
    {%- set low_holds = outer.low is none or (
        wider and inner.low is not none
        and (inner.low > outer.low or (inner.low == outer.low and (inner.low_open or not outer.low_open)))
    ) -%}
    {%- set high_holds = outer.high is none or (
        narrower and inner.high is not none
        and (inner.high < outer.high or (inner.high == outer.high and (inner.high_open or not outer.high_open)))
    ) -%}
    {{- return(low_holds and high_holds) -}}
{% endmacro %}


{% macro rule_window_contains(outer, inner) %}
    {{- return(
        (outer.from_days_ago is none or (inner.from_days_ago is not none and outer.from_days_ago >= inner.from_days_ago))
        and outer.to_days_ago <= inner.to_days_ago
    ) -}}
{% endmacro %}


{#- Without data, all that is known of a fitted limit is that it is above 0. -#}
{% macro rule_interval(condition) %}
    {%- set operator, limit = condition.operator, condition.limit -%}
    {%- if operator == 'between' -%}
        {{- return({'low': limit[0], 'low_open': false, 'high': limit[1], 'high_open': false}) -}}
    {%- elif operator == 'equals' -%}
        {{- return({'low': limit, 'low_open': false, 'high': limit, 'high_open': false}) -}}
    {%- elif operator in ['at_least', 'more_than'] -%}
        {{- return({'low': limit, 'low_open': operator == 'more_than', 'high': none, 'high_open': false}) -}}
    {%- elif operator in ['at_most', 'less_than'] -%}
        {{- return({'low': none, 'low_open': false, 'high': limit, 'high_open': operator == 'less_than'}) -}}
    {%- endif -%}
    {{- return({'low': 0, 'low_open': true, 'high': none, 'high_open': false}) -}}
{% endmacro %}
