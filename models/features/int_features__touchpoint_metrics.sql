-- One row per as_of and customer with touchpoints before it: every touchpoint metric over every window that somebody asks for.

{{ metric_table_windows('touchpoints') }}
