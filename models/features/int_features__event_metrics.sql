-- One row per as_of and customer with events before it: every event metric over every window that somebody asks for.

{{ metric_table_windows('events') }}
