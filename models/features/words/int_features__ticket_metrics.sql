-- One row per as_of and customer with tickets before it: every ticket metric over every window that somebody asks for.

{{ metric_table_windows('tickets') }}
