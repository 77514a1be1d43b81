{#-
    `kind` is a mapping with one of these keys:
      whole, number   the least and, if there is one, the greatest number allowed: {whole: [1]}, {number: [0, 1]}
      text            what the text must match, or none for any words: {text: '[a-z]+'}
      one_of          the values allowed: {one_of: [month, week, day]}
      date            true: a date of the calendar as 'YYYY-MM-DD'
      items           a list of values of that kind, so many where `length` says it
      keys            a mapping with these keys, each of its kind; `optional` has those that may be missing
      values          a mapping from any key (or one of `named`) to values of that kind
    Optional: `words`, what the message says is allowed; `nullable: true`; `otherwise`, one more allowed value; and for lists
    and mappings `may_be_empty: true`.
-#}
{% macro check(subject, path, value, kind) %}
    {%- set before = path ~ '.' if path else '' -%}
    {%- if (value is none and kind.get('nullable')) or ('otherwise' in kind and value == kind.otherwise) -%}
    {%- elif 'one_of' in kind -%}
        {%- if value is mapping or value not in kind.one_of or (value is boolean) != (true in kind.one_of or false in kind.one_of) -%}
            {%- set names = [] -%}
            {%- for one in kind.one_of -%}
                {%- do names.append(one if one is string else format_value(one)) -%}
            {%- endfor -%}
            {%- do definition_error(subject, path, format_value(value), kind.get('words', ''), names, value) -%}
        {%- endif -%}
    {%- elif 'whole' in kind or 'number' in kind -%}
        {%- set limits = kind.get('whole') or kind.number -%}
        {%- set is_number = value is number and value is not boolean and (value is integer or 'number' in kind) -%}
        {#- The comparison also refuses .nan. -#}
        {%- if not is_number or not limits[0] <= value <= limits[1:] | first | default(1e15) -%}
            {%- do definition_error(subject, path, format_value(value), allowed_words(kind)) -%}
        {%- endif -%}
    {%- elif 'text' in kind -%}
        {%- if value is not string or not value | trim or (kind.text and not modules.re.fullmatch(kind.text, value)) -%}
            {%- do definition_error(subject, path, format_value(value), allowed_words(kind)) -%}
        {%- endif -%}
    {%- elif 'date' in kind -%}
        {%- if not is_calendar_date(value | string) -%}
            {%- do definition_error(subject, path, format_value(value), allowed_words(kind)) -%}
        {%- endif -%}
    {%- elif 'items' in kind -%}
        {%- set is_list = value is iterable and value is not string and value is not mapping -%}
        {%- if not is_list or not (value or kind.get('may_be_empty')) or value | length != kind.get('length', value | length) -%}
            {%- do definition_error(subject, path, format_value(value), allowed_words(kind)) -%}
        {%- endif -%}
        {%- for item in value if kind['items'] is not none -%}
            {%- do check(subject, path ~ '[' ~ loop.index0 ~ ']', item, kind['items']) -%}
        {%- endfor -%}
    {%- elif value is not mapping or ('values' in kind and not (value or kind.get('may_be_empty'))) -%}
        {%- do definition_error(subject, path, format_value(value), allowed_words(kind)) -%}
    {%- elif 'values' in kind -%}
        {%- for key, one in value.items() if kind['values'] is not none -%}
            {%- if kind.get('named') and key not in kind.named -%}
                {%- do definition_error(subject, before ~ key, 'an unknown key', 'the keys ', kind.named, key) -%}
            {%- endif -%}
            {%- do check(subject, before ~ key, one, kind['values']) -%}
        {%- endfor -%}
    {%- else -%}
        {%- set keys = dict(kind['keys'], **kind.get('optional', {})) -%}
        {%- for key in value if key not in keys -%}
            {%- do definition_error(subject, before ~ key, 'an unknown key', 'the keys ', keys | list + kind.get('beside', []), key) -%}
        {%- endfor -%}
        {%- for key in kind['keys'] if key not in value -%}
            {%- do definition_error(subject, before ~ key, 'nothing', allowed_words(kind)) -%}
        {%- endfor -%}
        {%- for key, one in value.items() if keys[key] is not none -%}
            {%- do check(subject, before ~ key, one, keys[key]) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}


{% macro allowed_words(kind) %}
    {%- if kind.get('words') -%}
        {{- return(kind.words) -}}
    {%- elif 'whole' in kind or 'number' in kind -%}
        {%- set limits = kind.get('whole') or kind.number -%}
        {%- set words = ('a whole number' if 'whole' in kind else 'a number') ~ ' of at least ' ~ limits[0] ~ (' and at most ' ~ limits[1] if limits | length > 1 else '') -%}
    {%- elif 'text' in kind -%}
        {%- set words = 'a non-empty string' -%}
    {%- elif 'date' in kind -%}
        {%- set words = "a date of the calendar as 'YYYY-MM-DD'" ~ (' or ' ~ kind.otherwise if 'otherwise' in kind else '') -%}
    {%- elif 'items' in kind -%}
        {%- set words = 'a list of ' ~ allowed_words(kind['items']) -%}
    {%- elif 'values' in kind -%}
        {%- set words = 'a mapping' ~ (' from ' ~ kind.named | join(', ') if kind.get('named') else '') ~ ' to ' ~ allowed_words(kind['values']) -%}
    {%- elif 'keys' in kind -%}
        {%- set words = 'a mapping with the keys ' ~ kind['keys'] | join(', ') ~ (' and, where they apply, ' ~ kind.optional | join(', ') if kind.get('optional') else '') -%}
    {%- else -%}
        {%- set words = 'one of ' ~ kind.one_of | join(', ') -%}
    {%- endif -%}
    {{- return(words ~ (', or null' if kind.get('nullable') else '')) -}}
{% endmacro %}


{% macro name_kind() %}
    {{- return({'text': '[a-z][a-z0-9_]*', 'words': 'lower-case letters, digits and _, starting with a letter'}) -}}
{% endmacro %}


{% macro is_calendar_date(text) %}
    {%- set parts = modules.re.fullmatch('([0-9]{4})-([0-9]{2})-([0-9]{2})', text) -%}
    {%- set year, month, day = (parts.group(1) | int, parts.group(2) | int, parts.group(3) | int) if parts else (0, 0, 0) -%}
    {%- set leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) -%}
    {%- set days_in_month = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] -%}
    {{- return(year >= 1 and 1 <= month <= 12 and 1 <= day <= days_in_month[month - 1]) -}}
{% endmacro %}
