{{ loaded_rows('control_totals') }}
