"""Addresses of this app. Those under `say/` are for everybody."""

from django.urls import path

from central.voice import desk, public, table_pages

app_name = "voice"
urlpatterns = [
    path("say/", public.say, name="say"),
    path("say/suggestions/", public.suggestions, name="suggestions"),
    path("say/done/", public.done, name="done"),
    path("say/p/<str:token>", public.follow, name="progress"),
    path("say/p/<str:token>/photos/<int:number>.jpg", public.photo, name="progress-photo"),
    path("say/p/<str:token>/<slug:kind>", public.act, name="act"),
    path("say/<str:code>", public.say, name="say-here"),
    path("voice/", desk.inbox, name="inbox"),
    path("voice/figures/", desk.figures_page, name="figures"),
    path("voice/figures.csv", desk.figures_csv, name="figures-csv"),
    path("voice/commitments/", table_pages.commitments, name="commitments"),
    path("voice/commitments/<int:commitment_id>/end/", table_pages.end, name="end-commitment"),
    path("voice/<int:case_id>/", desk.matter, name="matter"),
    path("voice/<int:case_id>/reply/<slug:name>/", desk.step, name="step"),
    path("voice/<int:case_id>/photos/<int:attachment_id>/", desk.show_photo, name="show-photo"),
    path("voice/<int:case_id>/tables/<int:meeting_id>/", table_pages.table, name="table"),
    path("voice/<int:case_id>/tables/<int:meeting_id>/plan/", table_pages.plan, name="table-plan"),
    path("voice/<int:case_id>/tables/<int:meeting_id>/minutes/", table_pages.minutes, name="table-minutes"),
    path("voice/<int:case_id>/tables/<int:meeting_id>/promise/", table_pages.promise, name="table-promise"),
]
