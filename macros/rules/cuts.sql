{#- In segment_cutpoints a rule's cut has its own name as its metric; those of a scheme are numbered from the lowest. -#}
{% macro percentile_cuts(rules=none) %}
    {%- set cuts = [] -%}
    {%- for cut in distinct_cuts(rules if rules is not none else rule_segments() + predictions().values() | list) -%}
        {%- do cuts.append(dict(cut, scheme='rule', metric=cut.cut_column, cut_number=1)) -%}
    {%- endfor -%}
    {%- for name, scheme in (schemes() if rules is none else {}).items() -%}
        {%- set numbers = {} -%}
        {%- for cut in distinct_cuts(scheme.segments) | sort(attribute='quantile,cut_column') -%}
            {%- do numbers.update({cut.column: numbers.get(cut.column, 0) + 1}) -%}
            {%- do cuts.append(dict(cut, scheme=name, metric=cut.column, cut_number=numbers[cut.column])) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(cuts) -}}
{% endmacro %}


{% macro distinct_cuts(segments) %}
    {%- set cuts = {} -%}
    {%- for segment in segments -%}
        {%- for condition in segment.conditions if 'cut_column' in condition -%}
            {#- Rounded: 1 - 70 / 100 is a little more than 0.3, and that much would take the next value. -#}
            {%- set share = condition.limit / 100 if condition.operator.endswith('_percent') else 0.5 -%}
            {%- do cuts.update({condition.cut_column: {
                'cut_column': condition.cut_column,
                'column': condition.column,
                'quantile': (1 - share if condition.operator == 'top_percent' else share) | round(8),
                'first': condition.limit if condition.operator == 'top' else none,
                'is_mean': condition.limit == 'mean',
                'is_rounded': condition.operator in ['above', 'below'],
            }}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(cuts.values() | sort(attribute='cut_column')) -}}
{% endmacro %}


{% macro percentile_value(cut) %}
    {%- set above_0 = 'case when ' ~ cut.column ~ ' > 0 then ' ~ cut.column ~ ' end' -%}
    {%- set value = nth_largest(above_0, cut.first) if cut.first else exact_mean(above_0) if cut.is_mean else quantile(above_0, cut.quantile) -%}
    {{- return(rounded(value) if cut.is_rounded else value) -}}
{% endmacro %}


{#- Numbered after the fitted limits of a column. -#}
{% macro fixed_limits() %}
    {%- set limits = [] -%}
    {%- for name, scheme in schemes().items() -%}
        {%- set columns = {} -%}
        {%- for condition in scheme.conditions if condition.kind in ['metric', 'score'] and condition.operator != 'is_known' and 'than' not in condition -%}
            {%- set column = columns.setdefault(condition.column, {'percentiles': [], 'numbers': []}) -%}
            {%- if 'cut_column' in condition -%}
                {%- do column.percentiles.append(condition.cut_column) -%}
            {%- else -%}
                {%- do column.numbers.extend(condition.limit if condition.operator == 'between' else [condition.limit]) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- for metric, column in columns.items() -%}
            {%- for number in column.numbers | unique | sort -%}
                {%- do limits.append({'scheme': name, 'metric': metric, 'cut_number': column.percentiles | unique | list | length + loop.index, 'cut_value': number}) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(limits) -}}
{% endmacro %}
