-- One row per as_of and customer with lines before it: every line metric over every window that somebody asks for.

{{ metric_table_windows('lines') }}
